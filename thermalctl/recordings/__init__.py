"""What a thermal sensor recorded: frames in degrees Celsius and when each arrived."""
