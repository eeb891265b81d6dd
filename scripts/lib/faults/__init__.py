"""What goes wrong outside the program, on demand and by seed: store, network, disk, processes; for tests."""
