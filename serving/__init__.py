"""From a registered model to an answer over HTTP. Never imports training, nor the other way round."""
