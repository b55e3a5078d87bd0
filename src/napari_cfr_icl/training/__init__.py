"""Training on the user's own pictures: simulated clicks, ICL, SUEM, the loop and its run folder."""
