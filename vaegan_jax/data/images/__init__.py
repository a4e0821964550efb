"""From the files of a data set to arrays of pixels."""
