"""People at the door: passwords, sessions, one-time links and tokens. The console and the command line use it."""
