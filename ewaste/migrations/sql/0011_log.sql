-- The transparency log. Rows of it are added and never changed; the app role adds entries, and the database numbers them.

-- What was appended waits here for its number. Nobody but the database writes this list.
create function log_entries_wait() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into log_waiting (leaf, entered) select leaf, entered from fresh;
    return null;
end
$$;
create trigger log_entries_wait after insert on log_entries
    referencing new table as fresh for each statement execute function log_entries_wait();

-- Numbers for at most p_most entries that wait, without a gap, in one go under one lock. Answers how large the log is.
create function log_sequence(p_most integer) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    size bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended('ewaste transparency log', 0));
    select coalesce(max(index) + 1, 0) into size from log_leaves;
    -- The lock makes us the only one who takes from the list, so what is read here is what is deleted below.
    with taken as (
        delete from log_waiting where leaf in (select leaf from log_waiting order by entered limit p_most)
        returning leaf, entered
    )
    insert into log_leaves (index, leaf)
    select size + row_number() over (order by entered) - 1, leaf from taken;
    select coalesce(max(index) + 1, 0) into size from log_leaves;
    return size;
end
$$;

-- A full tile is cut once, from leaves and tiles that are there, so its hashes are those of what it covers.
create function log_tiles_fit() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    covered bytea;
begin
    if new.level = 0 then
        select string_agg(leaf, ''::bytea order by index) into covered
        from log_leaves where index >= new.number * 256 and index < (new.number + 1) * 256;
    else
        select string_agg(root, ''::bytea order by number) into covered
        from log_tiles where level = new.level - 1 and number >= new.number * 256 and number < (new.number + 1) * 256;
    end if;
    if covered is distinct from new.hashes then
        raise exception 'this tile is not of the leaves of the log' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger log_tiles_fit before insert on log_tiles for each row execute function log_tiles_fit();

-- The log grows: no head is smaller than one before it, nor larger than the leaves that are there.
create function log_heads_grow() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (select 1 from log_heads where size > new.size) or not exists (
        select 1 from log_leaves where index = new.size - 1
    ) then
        raise exception 'a head of % leaves does not fit the log', new.size using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger log_heads_grow before insert on log_heads for each row execute function log_heads_grow();

create trigger append_only before update or delete on log_entries for each row execute function refuse_rewrite();
create trigger append_only_all before truncate on log_entries for each statement execute function refuse_rewrite();
create trigger append_only before update or delete on log_leaves for each row execute function refuse_rewrite();
create trigger append_only_all before truncate on log_leaves for each statement execute function refuse_rewrite();
create trigger append_only before update or delete on log_tiles for each row execute function refuse_rewrite();
create trigger append_only_all before truncate on log_tiles for each statement execute function refuse_rewrite();
create trigger append_only before update or delete on log_heads for each row execute function refuse_rewrite();
create trigger append_only_all before truncate on log_heads for each statement execute function refuse_rewrite();
create trigger append_only before update or delete on log_checkpoints for each row execute function refuse_rewrite();
create trigger append_only_all before truncate on log_checkpoints for each statement execute function refuse_rewrite();
create trigger append_only before update or delete on log_cosignatures for each row execute function refuse_rewrite();
create trigger append_only_all before truncate on log_cosignatures for each statement execute function refuse_rewrite();
create trigger append_only before update or delete on log_statements for each row execute function refuse_rewrite();
create trigger append_only_all before truncate on log_statements for each statement execute function refuse_rewrite();
create trigger append_only before update or delete on custody_batches for each row execute function refuse_rewrite();
create trigger append_only_all before truncate on custody_batches for each statement execute function refuse_rewrite();
create trigger append_only before update or delete on custody_heads for each row execute function refuse_rewrite();
create trigger append_only_all before truncate on custody_heads for each statement execute function refuse_rewrite();

revoke execute on function log_entries_wait() from public;
revoke execute on function log_sequence(integer) from public;
revoke execute on function log_tiles_fit() from public;
revoke execute on function log_heads_grow() from public;
grant execute on function log_sequence(integer) to :app;
grant select on log_waiting, log_leaves to :app;
grant select, insert on log_entries, log_tiles, log_heads, log_checkpoints, log_cosignatures, log_statements to :app;
grant select, insert on custody_batches, custody_heads to :app;
