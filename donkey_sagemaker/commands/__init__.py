"""One module for each verb, with its HELP, add_options(parser) and run(...)."""
