-- Each start asks whether books that were restored were recovered, and must not read the whole log for that.

create index audit_log_restores on audit_log (id) where action in ('restore_books', 'recover_books');
