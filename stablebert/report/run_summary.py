"""The outcome of one run in a line, for terminals."""

from stablebert.runs.record import RunRecord


def describe_status(record: RunRecord) -> str:
    """Return `ok`, `failed`, `ok, at chance`, or `failed, at chance`."""
    from stablebert.report.chance import is_at_chance  # loads scipy, which a plan does not need

    return f"{record.status}, at chance" if is_at_chance(record) else record.status


def summarize_record(record: RunRecord) -> str:
    """Return the scores of a record in one line, x 100."""
    return (
        f"{record.task} {record.method} {record.length} seed {record.seeds} "
        f"({describe_status(record)}): "
        f"test {record.metric} {100 * record.test_at_best:.1f} with the weights of step "
        f"{record.val_best_step} (val {100 * record.val_best:.1f}), "
        f"{100 * record.test_at_last:.1f} with the last weights"
    )
