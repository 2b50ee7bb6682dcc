"""One module a family of APIs: each opens with its versions and behaviours, and API versions end here."""
