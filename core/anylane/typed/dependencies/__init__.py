"""What handlers depend on: functions that give values, and take them back."""
