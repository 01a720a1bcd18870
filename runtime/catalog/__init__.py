"""What is deployed and what follows from it: functions, settings, links, who may run what. Pure."""
