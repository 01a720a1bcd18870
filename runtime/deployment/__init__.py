"""From the bytes of components to a deployment on record, and to components that can be started."""
