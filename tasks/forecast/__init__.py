"""What the day to come will show, before its labels exist: XAUC, seconds watched and skip rate, each with an interval."""
