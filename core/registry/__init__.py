"""What a registered model is: a bundle of files, a forecaster made from it, and the record of who is champion."""
