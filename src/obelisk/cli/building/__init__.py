"""From a project to components: WIT put together, tools fetched and run, their errors made readable."""
