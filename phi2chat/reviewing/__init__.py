"""`phi2chat curate browse`: records reviewed on the whole terminal."""
