-- A key of an accreditor that was admitted comes by two people; its first one came with it. A key has one end.
create function accreditor_keys_by_two() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (select 1 from accreditors where id = new.accreditor_id and confirmed_at is not null)
       and exists (select 1 from accreditor_keys where accreditor_id = new.accreditor_id)
       and not exists (
        select 1 from accreditor_key_changes c
        where c.accreditor_id = new.accreditor_id and c.outcome = 'confirmed' and c.decided_by <> c.proposed_by
          and c.new_method = new.verification_method and c.new_public_key = new.public_key) then
        raise exception 'an accreditor changes its key by two people' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger accreditor_keys_by_two before insert on accreditor_keys
    for each row execute function accreditor_keys_by_two();

create trigger key_changes_stand before update on accreditor_key_changes
    for each row when (old.outcome is not null) execute function refuse_rewrite();
create trigger stays before delete on accreditor_key_changes for each row execute function refuse_rewrite();
create trigger stays_all before truncate on accreditor_key_changes for each statement execute function refuse_rewrite();
create trigger append_only before update or delete on kept_status_lists
    for each row execute function refuse_rewrite();
create trigger stays_all before truncate on kept_status_lists for each statement execute function refuse_rewrite();

-- A code that was withdrawn enrols nobody, whatever the program says.
create trigger codes_stay_withdrawn before update on enrolment_codes
    for each row when (old.withdrawn_at is not null) execute function refuse_rewrite();

revoke execute on function accreditor_keys_by_two() from public;
grant select, insert on accreditor_key_changes, kept_status_lists to :app;
grant update (outcome, decided_by, decided_name, decided_at) on accreditor_key_changes to :app;
grant update (withdrawn_at, withdrawn_by, withdrawn_name) on enrolment_codes to :app;
