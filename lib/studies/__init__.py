"""The book's machinery: what a page imports is `studies.page`, what builds it `studies.build`."""
