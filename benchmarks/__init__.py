"""Speed compared with the alternatives in one run (`make bench`), and other measurements."""
