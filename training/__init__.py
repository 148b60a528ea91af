"""From feature rows to an evaluated, registered model. Never imports serving, nor the other way round."""
