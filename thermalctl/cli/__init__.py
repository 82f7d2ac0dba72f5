"""The command line: one file per command, each parsing, calling one library function and showing its result."""
