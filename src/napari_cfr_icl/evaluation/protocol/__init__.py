"""The evaluation protocol: simulated users, clicks counted, results kept."""
