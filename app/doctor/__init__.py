"""Checks of what OpenDeep stands on, made before it dials: each answers with findings that say what to do."""
