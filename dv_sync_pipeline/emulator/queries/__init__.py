"""Reading rows: filters, expands, groups, FetchXML and change tracking as SQL."""
