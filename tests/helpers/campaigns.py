"""Campaigns: many seeded trials, all of which are made, and a list of those that fell."""


def check_all(trials, check, show):
    """Make every trial of a campaign, and print what was tried and what fell.

    Args:
        trials: Trials by name.
        check: Function that makes one trial; raises an exception if it falls, and may return
            what else to print.
        show: Context manager factory that lets the output through: `capsys.disabled`.
    """
    outcomes, faults = {}, {}
    for name, trial in trials.items():
        try:
            outcomes[name] = check(trial) or "ok"
        except Exception as error:
            faults[name] = f"{type(error).__name__}: {error}"
    lines = [f"{name}: {faults.get(name) or outcomes[name]}" for name in trials]
    with show():
        print("\n".join(["", *lines, f"{len(trials)} tried, {len(faults)} fell"]))
    assert not faults, "\n".join(f"{name}: {fault}" for name, fault in faults.items())
