The audit log tells when books were put back from a backup, and when they were brought up to date (`replay.note_recovery`).

-- name: note
insert into audit_log (actor_id, action, subject) values (null, 'restore_books', 'books')

-- name: last
select action from audit_log where action in ('restore_books', 'recover_books') order by id desc limit 1
