"""How it runs: the backend port, the loop, schedules, stopping, scores, the run folder. No framework."""
