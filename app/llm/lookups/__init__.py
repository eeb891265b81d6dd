"""What the planner may look up, behind one interface; answers are data with an origin, never instructions."""
