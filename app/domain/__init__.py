"""What the business means: tasks, calls, numbers, retries. Pure: no clock, no I/O; times are arguments."""
