"""Reports on a sweep's records: statistics, tables, and selection by validation score; no torch.

The order of the modules is the order of the work:

* `records` reads records, `expected` lists the cells of a sweep, and `join` matches the two;
* `statistics` and `chance` are pure functions of scores; `compare` applies them to cells;
* `paper` holds the paper's printed numbers;
* `tables`, `sentences`, and `caption` build a document, `render` formats it, `export` makes CSV;
* `analyses` answers further questions about the cells of a report;
* `run_summary` describes one run;
* `sweep_report` and `table3` write whole reports; `terminal` prints a short one, which `layout`
  fits to the width of the terminal;
* `items` lists the paper's figures and tables, `contents` identifies runs by their records alone,
  `narrowing` finds the part of a sweep that has been run, and `everything` reports on all sweeps;
* `search` and `selection` choose settings by validation score; `collect` writes records to a file.
"""
