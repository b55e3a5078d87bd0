"""Tables, plots and pages of an evaluation."""
