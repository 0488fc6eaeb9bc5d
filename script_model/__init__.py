"""Makes curation/script/ngrams.bin, the table of the Japanese/Chinese detector; see README.md. Not in the wheel."""
