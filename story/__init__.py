"""The main job of the marketplace in the terminal: from a quote to the recycler's report, on a real disk image."""
