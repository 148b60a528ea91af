"""From a registered model to a response over HTTP. Does not import training, nor does training import it."""
