"""Models as versions that can be trusted: logged with a run, registered under a name, loaded by reference."""
