"""How far groups stand behind: in records, in time, and where that leads; for the commands and the console alike."""
