"""From checked records to an adapter: what a training will take, how it goes, and how it is taken up again."""
