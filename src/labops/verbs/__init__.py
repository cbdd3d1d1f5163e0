"""One module tells the story of one verb: observe, plan, apply, report."""
