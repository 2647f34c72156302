-- The accreditor that this installation is itself: there is one, as soon as the installation is founded.
create function found_the_house() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into accreditors (id, house, did, name, own_key, reason, named_name, named_at, confirmed_name, confirmed_at)
    values (gen_random_uuid(), true, 'did:web:' || new.did_host || ':accreditation', 'Clearhand accreditation desk',
            false, 'It came with the market.', 'the program', new.founded_at, 'the program', new.founded_at)
    on conflict do nothing;
    return new;
end
$$;
create trigger found_the_house after insert on installation for each row execute function found_the_house();
insert into accreditors (id, house, did, name, own_key, reason, named_name, named_at, confirmed_name, confirmed_at)
select gen_random_uuid(), true, 'did:web:' || did_host || ':accreditation', 'Clearhand accreditation desk',
       false, 'It came with the market.', 'the program', founded_at, 'the program', founded_at
from installation;
update centres set accreditor_id = (select id from accreditors where house) where accredited_from is not null;
update centres set suspended_for = accreditor_id where suspended_at is not null;

-- A centre is accredited, or may do more than before, by a decision that two people took; each counts once.
create function centres_stand_on_two() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    v_lifter uuid := new.accreditor_id;
begin
    if tg_op = 'UPDATE' then
        v_lifter := coalesce(old.suspended_for, v_lifter);  -- Who suspended it lifts it.
    end if;
    if new.standing <> 'accredited' then
        return new;
    end if;
    if tg_op = 'UPDATE' and old.standing = 'accredited'
       and new.methods <@ old.methods and new.media_kinds <@ old.media_kinds
       and new.accredited_until <= old.accredited_until then
        return new;
    end if;
    if new.decision_id is null or (tg_op = 'UPDATE' and new.decision_id is not distinct from old.decision_id) or not exists (
        select 1 from accreditation_decisions d
        where d.id = new.decision_id and d.centre_id = new.organisation_id and d.outcome = 'confirmed'
          and d.decided_by <> d.proposed_by
          and ((d.kind = 'lift' and d.accreditor_id = v_lifter)
               or (d.kind in ('grant', 'scope') and d.accreditor_id = new.accreditor_id and new.methods <@ d.methods
                   and new.media_kinds <@ d.media_kinds and new.accredited_until <= d.valid_until))
    ) then
        raise exception 'a centre is accredited by a decision of two people' using errcode = 'check_violation';
    end if;
    if tg_op = 'UPDATE' and old.standing <> 'accredited' and exists (
        select 1 from accreditation_decisions d where d.id = new.decision_id and d.kind = 'lift'
    ) and (not new.methods <@ old.methods or not new.media_kinds <@ old.media_kinds
           or new.accredited_until > old.accredited_until) then
        raise exception 'lifting a suspension widens no scope' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger centres_stand_on_two before insert or update on centres
    for each row execute function centres_stand_on_two();

-- What was decided, found or settled stands.
create trigger decisions_stand before update on accreditation_decisions
    for each row when (old.outcome is not null) execute function refuse_rewrite();
create trigger audits_stand before update on audits
    for each row when (old.concluded_at is not null) execute function refuse_rewrite();
create trigger rechecks_stand before update on certificate_rechecks
    for each row when (old.settled_at is not null) execute function refuse_rewrite();

-- A key that was revoked does not come back; the moment since which it is not believed only moves back.
create function keys_stay_revoked() returns trigger language plpgsql as $$
begin
    if old.revoked_at is not null and (new.revoked_at is distinct from old.revoked_at
       or (old.compromised_since is not null
           and (new.compromised_since is null or new.compromised_since > old.compromised_since))) then
        raise exception 'a key that was revoked stays revoked' using errcode = 'insufficient_privilege';
    end if;
    return new;
end
$$;
create trigger keys_stay_revoked before update on stations for each row execute function keys_stay_revoked();
create trigger keys_stay_revoked before update on accreditor_keys for each row execute function keys_stay_revoked();

-- A device whose certificate is in doubt is in no sale.
create or replace function device_listable(p_device uuid) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
    select exists (
        select 1 from devices d
        where d.id = p_device and d.state in ('for_resale', 'for_remanufacture', 'for_dismantling')
          and device_cleared(p_device)
          and not exists (select 1 from holds h where h.device_id = p_device and h.lifted_at is null)
          and not exists (
            select 1 from clearances c join certificate_rechecks r on r.certificate_id = c.certificate_id
            where c.device_id = p_device and c.ended_at is null and r.settled_at is null)
    )
$$;

create function recheck_unlists() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    v_device uuid;
begin
    select device_id into v_device from certificates where id = new.certificate_id;
    perform 1 from devices where id = v_device for update;
    perform unlist(v_device, 'its certificate is looked at again', new.opened_at);
    return new;
end
$$;
create trigger recheck_unlists after insert on certificate_rechecks for each row execute function recheck_unlists();

do $$
declare
    v_table text;
begin
    foreach v_table in array array['audit_answers', 'accreditation_revocations', 'published_statements'] loop
        execute format(
            'create trigger append_only before update or delete on %I for each row execute function refuse_rewrite()', v_table);
    end loop;
    foreach v_table in array array['audits', 'accreditation_decisions', 'certificate_rechecks'] loop
        execute format(
            'create trigger stays before delete on %I for each row execute function refuse_rewrite()', v_table);
    end loop;
    foreach v_table in array array['audit_answers', 'accreditation_revocations', 'published_statements', 'audits',
                                   'accreditation_decisions', 'certificate_rechecks'] loop
        execute format(
            'create trigger stays_all before truncate on %I for each statement execute function refuse_rewrite()', v_table);
    end loop;
end
$$;

revoke execute on function found_the_house(), centres_stand_on_two(), keys_stay_revoked(), recheck_unlists() from public;
grant select, insert on
    accreditors, accreditor_keys, audits, audit_answers, accreditation_decisions, accreditation_revocations,
    published_statements, certificate_rechecks
to :app;
grant update (confirmed_by, confirmed_name, confirmed_at, undone_at, undone_name, ended_at, ended_name, ended_because)
    on accreditors to :app;
grant update (revoked_at, revoked_because, compromised_since) on accreditor_keys to :app;
grant update (concluded_by, concluded_name, concluded_at, passed) on audits to :app;
grant update (outcome, decided_by, decided_name, decided_at) on accreditation_decisions to :app;
grant update (outcome, note, proposed_by, proposed_name, proposed_at, settled_by, settled_name, settled_at)
    on certificate_rechecks to :app;
grant update (accreditor_id, decision_id, suspended_for, withdrawn_at, withdrawal_reason, fraud_since) on centres to :app;
grant update (retires_at, compromised_since) on stations to :app;
