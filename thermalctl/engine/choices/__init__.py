"""What `train` may be asked for, by kind: a record of the flags, what they may not be, and what they edit."""
