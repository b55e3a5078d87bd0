"""Work beside the main thread: bridge, tasks, child processes."""
