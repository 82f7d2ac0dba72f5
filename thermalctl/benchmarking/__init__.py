"""How fast the data path and training are on this machine, beside stock MMAction2."""
