-- What the database itself holds, whoever speaks to it. The app role has no DDL and reaches these rules only from below.

-- Moves of a device ---------------------------------------------------------------------------------------------

create table device_transitions (
    from_state text not null,
    to_state text not null,
    opens_cycle boolean not null,
    needs_clearance boolean not null,
    despite_hold boolean not null,
    primary key (from_state, to_state)
);

-- Every medium observed in the cycle has an admitted line in this certificate, or is held apart; and there is one.
create function device_covered(p_device uuid, p_cycle bigint, p_certificate uuid) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
    select exists (select 1 from certificate_lines where certificate_id = p_certificate)
       and not exists (
        select 1
        from medium_events e join media m on m.id = e.medium_id
        where e.device_id = p_device and e.cycle = p_cycle and e.kind in ('found', 'fitted')
          and not exists (
            select 1 from certificate_lines l
            join admitted_evidence a
              on a.medium_kind = m.kind and a.evidence_class = l.evidence_class and a.level = l.level
            where l.certificate_id = p_certificate and l.medium_id = m.id
              -- A medium whose wipe ever failed is covered by its destruction only.
              and (l.evidence_class = 'destroyed' or not exists (
                select 1 from medium_events f where f.medium_id = m.id and f.kind = 'wipe-failed')))
          and not exists (
            select 1 from medium_events h
            where h.medium_id = m.id and h.cycle = p_cycle and h.kind = 'held')
    )
$$;

create function device_cleared(p_device uuid) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
    select exists (
        select 1
        from clearances c join devices d on d.id = c.device_id
        where c.device_id = p_device and c.ended_at is null and c.cycle = d.cycle
          and not exists (select 1 from certificate_revocations r where r.certificate_id = c.certificate_id)
          and device_covered(p_device, c.cycle, c.certificate_id)
    )
$$;

create function device_listable(p_device uuid) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
    select exists (
        select 1 from devices d
        where d.id = p_device and d.state in ('for_resale', 'for_remanufacture', 'for_dismantling')
          and device_cleared(p_device)
          and not exists (select 1 from holds h where h.device_id = p_device and h.lifted_at is null)
    )
$$;

-- The only writer of state, cycle, title and chain. Answers 'ok', or in one word why not; then nothing was changed.
create function custody_append(p_body text) returns text
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    b jsonb := p_body::jsonb;
    d devices%rowtype;
    t device_transitions%rowtype;
    moves boolean := (b->>'from') is distinct from (b->>'to');
    digest text := encode(sha256(convert_to(p_body, 'UTF8')), 'hex');
begin
    select * into d from devices where id = (b->>'device')::uuid for update;
    if not found then
        return 'unknown';
    end if;
    if d.state is distinct from b->>'from' or d.custody_seq + 1 is distinct from (b->>'seq')::bigint
       or d.custody_head is distinct from b->>'previous' then
        return 'stale';
    end if;
    if moves then
        select * into t from device_transitions where from_state = d.state and to_state = b->>'to';
        if not found or (b->>'kind') is distinct from 'device.' || (b->>'to') then
            return 'no-way';
        end if;
        if not t.despite_hold and exists (select 1 from holds where device_id = d.id and lifted_at is null) then
            return 'held';
        end if;
        if t.needs_clearance and not device_cleared(d.id) then
            return 'not-cleared';
        end if;
    end if;
    if (b->>'cycle')::bigint is distinct from d.cycle + (case when moves and t.opens_cycle then 1 else 0 end) then
        return 'stale';
    end if;
    insert into custody_events
        (id, device_id, seq, cycle, kind, from_state, to_state, at, actor_id, actor_name, evidence, body, hash)
    values
        (gen_random_uuid(), d.id, (b->>'seq')::bigint, (b->>'cycle')::bigint, b->>'kind', b->>'from', b->>'to',
         (b->>'at')::timestamptz, (b->>'actor')::uuid, b->>'actorName', b->'evidence', p_body, digest);
    update devices
       set state = b->>'to', cycle = (b->>'cycle')::bigint, custody_seq = (b->>'seq')::bigint, custody_head = digest,
           title = case when b->>'kind' = 'title.passed' then b->'evidence'->>'to' else title end
     where id = d.id;
    if moves and t.opens_cycle then
        -- A new custody cycle starts with every medium that was in the device when the old one ended.
        insert into medium_events (id, medium_id, device_id, cycle, kind, at, actor_id, evidence)
        select gen_random_uuid(), e.medium_id, d.id, d.cycle + 1, 'found', (b->>'at')::timestamptz, null,
               jsonb_build_object('carriedFromCycle', d.cycle)
        from medium_events e
        where e.device_id = d.id and e.cycle = d.cycle
        group by e.medium_id
        having bool_or(e.kind in ('found', 'fitted')) and not bool_or(e.kind in ('removed', 'held', 'destroyed'));
        update clearances set ended_at = (b->>'at')::timestamptz, ended_because = 'a new custody cycle began'
         where device_id = d.id and ended_at is null;
    end if;
    if moves then
        -- Where it was for sale, it is so no more: a sale that is under way was closed before the device moved.
        perform unlist(d.id, 'it is ' || replace(b->>'to', '_', ' '), (b->>'at')::timestamptz);
    end if;
    return 'ok';
end
$$;

create function devices_start_expected() returns trigger language plpgsql as $$
begin
    if new.state <> 'expected' or new.cycle <> 1 or new.custody_seq <> 0 or new.custody_head <> ''
       or new.title <> 'seller' then
        raise exception 'a device is entered as expected, in its first cycle, without events' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger devices_start_expected before insert on devices
    for each row execute function devices_start_expected();

-- History is not rewritten -----------------------------------------------------------------------------------------

create function refuse_rewrite() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end
$$;

-- The gate ---------------------------------------------------------------------------------------------------------

create function certificates_are_whole() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    w work_orders%rowtype;
    c jsonb;
begin
    select * into w from work_orders where id = new.work_order_id;
    if not found or w.device_id <> new.device_id or w.cycle <> new.cycle or w.centre_id <> new.centre_id then
        raise exception 'the certificate does not belong to this device, cycle and work order' using errcode = 'check_violation';
    end if;
    if w.superseded_at is not null or w.expires_at < new.accepted_at then
        raise exception 'the work order was replaced or ran out' using errcode = 'check_violation';
    end if;
    if not exists (select 1 from stations s where s.id = new.station_id and s.centre_id = new.centre_id) then
        raise exception 'the certificate does not come from a station of this centre' using errcode = 'check_violation';
    end if;
    c := (new.bundle->>'certificate.json')::jsonb;
    if c->>'id' is distinct from new.credential_id
       or (new.bundle->>'work-order.json')::jsonb is distinct from w.document::jsonb then
        raise exception 'the certificate is stored with its whole bundle' using errcode = 'check_violation';
    end if;
    if c->'wipe'->'workOrder'->>'digestMultibase' is distinct from w.digest
       or c->'wipe'->'device'->>'id' is distinct from 'urn:uuid:' || new.device_id
       or c->'wipe'->'training' is distinct from to_jsonb(new.training) then
        raise exception 'the certificate says otherwise: another work order, another device, or training'
            using errcode = 'check_violation';
    end if;
    if new.training and (select mode from installation) <> 'training' then
        raise exception 'a training certificate counts for nothing in a live market' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger certificates_are_whole before insert on certificates
    for each row execute function certificates_are_whole();

create function certificate_lines_are_said() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if not exists (
        select 1
        from certificates c join media m on m.device_id = c.device_id
        cross join lateral jsonb_array_elements(
            (c.bundle->>'certificate.json')::jsonb->'credentialSubject'->'conformityAssessment') a
        where c.id = new.certificate_id and m.id = new.medium_id
          and a->'sanitisation'->'medium'->>'id' = 'urn:uuid:' || m.id
          and a->'sanitisation'->'medium'->>'kind' = m.kind
          and a->'sanitisation'->'medium'->>'serial' = m.serial
          and a->'sanitisation'->>'evidenceClass' = new.evidence_class
          and coalesce(a->'sanitisation'->>'method', '') = new.level
    ) then
        raise exception 'the certificate does not say this of this medium' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger certificate_lines_are_said before insert on certificate_lines
    for each row execute function certificate_lines_are_said();

create function clearances_stand_on_certificates() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    d devices%rowtype;
begin
    select * into d from devices where id = new.device_id for update;
    if d.cycle is distinct from new.cycle or d.state not in ('clearing', 'destroying') or new.ended_at is not null then
        raise exception 'the device is not waiting for clearance in this cycle' using errcode = 'check_violation';
    end if;
    if not exists (
        select 1 from certificates c
        where c.id = new.certificate_id and c.device_id = new.device_id and c.cycle = new.cycle
          and not exists (select 1 from certificate_revocations r where r.certificate_id = c.id)
    ) then
        raise exception 'a clearance stands on a certificate for this device and cycle' using errcode = 'check_violation';
    end if;
    if not device_covered(new.device_id, new.cycle, new.certificate_id) then
        raise exception 'the certificate does not cover every medium observed in the device' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger clearances_stand_on_certificates before insert on clearances
    for each row execute function clearances_stand_on_certificates();

create function clearances_end_once() returns trigger language plpgsql as $$
begin
    if old.ended_at is not null then
        raise exception 'a clearance that ended does not live again' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger clearances_end_once before update on clearances
    for each row execute function clearances_end_once();

-- Nothing unlistable is for sale -----------------------------------------------------------------------------------

create function require_listable(p_device uuid) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform 1 from devices where id = p_device for update;
    if not device_listable(p_device) then
        raise exception 'device % is not listable', p_device using errcode = 'check_violation';
    end if;
end
$$;

create function listings_only_listable() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if tg_op = 'INSERT' and new.state <> 'open' then
        raise exception 'a listing begins open' using errcode = 'check_violation';
    end if;
    if new.state = 'open' then
        perform require_listable(new.device_id);
        if exists (select 1 from lot_lines where device_id = new.device_id and released_at is null) then
            raise exception 'device % is in a lot already', new.device_id using errcode = 'check_violation';
        end if;
    end if;
    return new;
end
$$;
create trigger listings_only_listable before insert or update on listings
    for each row execute function listings_only_listable();

create function lot_lines_only_listable() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if tg_op = 'UPDATE' then
        if old.released_at is not null and new.released_at is distinct from old.released_at then
            raise exception 'a line that was released does not come back' using errcode = 'check_violation';
        end if;
        return new;
    end if;
    perform require_listable(new.device_id);
    if exists (select 1 from listings where device_id = new.device_id and state = 'open') then
        raise exception 'device % is in the storefront already', new.device_id using errcode = 'check_violation';
    end if;
    perform 1 from lots where id = new.lot_id and state = 'open' for update;
    if not found or exists (select 1 from bids where lot_id = new.lot_id) then
        raise exception 'a lot takes no more devices once it was bid on or is over' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger lot_lines_only_listable before insert or update on lot_lines
    for each row execute function lot_lines_only_listable();

-- Take a device out of every open sale. An open lot that has bids, or no device left, is cancelled as a whole:
-- nobody is held to a bid on something else than the manifest said.
create function unlist(p_device uuid, p_because text, p_at timestamptz) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    v_lot uuid;
begin
    update listings set state = 'withdrawn', closed_at = p_at, closed_because = p_because
     where device_id = p_device and state = 'open';
    select l.lot_id into v_lot from lot_lines l join lots o on o.id = l.lot_id
     where l.device_id = p_device and l.released_at is null and o.state = 'open';
    if v_lot is null then
        return;
    end if;
    perform 1 from lots where id = v_lot for update;
    update lot_lines set released_at = p_at, released_because = p_because
     where lot_id = v_lot and device_id = p_device and released_at is null;
    if exists (select 1 from bids where lot_id = v_lot)
       or not exists (select 1 from lot_lines where lot_id = v_lot and released_at is null) then
        update lots set state = 'cancelled', closed_at = p_at where id = v_lot and state = 'open';
        update lot_lines set released_at = p_at, released_because = 'the lot was cancelled: ' || p_because
         where lot_id = v_lot and released_at is null;
    end if;
end
$$;

create function revocation_unlists() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    v_device uuid;
begin
    select device_id into v_device from certificates where id = new.certificate_id;
    perform 1 from devices where id = v_device for update;
    update clearances set ended_at = new.at, ended_because = 'the certificate was revoked: ' || new.reason
     where certificate_id = new.certificate_id and ended_at is null;
    perform unlist(v_device, 'its certificate was revoked', new.at);
    return new;
end
$$;
create trigger revocation_unlists after insert on certificate_revocations
    for each row execute function revocation_unlists();

create function medium_found_unlists() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if new.kind in ('found', 'fitted') and not device_cleared(new.device_id) then
        update clearances set ended_at = new.at, ended_because = 'a medium was found that the certificate does not cover'
         where device_id = new.device_id and cycle = new.cycle and ended_at is null;
        perform unlist(new.device_id, 'a storage medium was found that its certificate does not cover', new.at);
    end if;
    return new;
end
$$;
create trigger medium_found_unlists after insert on medium_events
    for each row execute function medium_found_unlists();

create function hold_unlists() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform 1 from devices where id = new.device_id for update;
    perform unlist(new.device_id, 'a hold was placed on it', new.placed_at);
    return new;
end
$$;
create trigger hold_unlists after insert on holds for each row execute function hold_unlists();
create trigger holds_lift_once before update on holds
    for each row when (old.lifted_at is not null) execute function refuse_rewrite();

-- Money ------------------------------------------------------------------------------------------------------------

create function postings_balance() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (
        select 1 from entries where posting_id = new.posting_id group by currency having sum(amount_minor) <> 0
    ) then
        raise exception 'posting % does not sum to zero', new.posting_id using errcode = 'check_violation';
    end if;
    return null;
end
$$;
create constraint trigger postings_balance after insert on entries deferrable initially deferred
    for each row execute function postings_balance();

create function practice_is_practice() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if new.practice <> ((select mode from installation) = 'training') then
        raise exception 'practice money and real money do not meet' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger practice_is_practice before insert or update on payment_instructions
    for each row execute function practice_is_practice();
create trigger practice_is_practice before insert on payees for each row execute function practice_is_practice();

-- Bids keep their order: each takes the number that the locked lot gave it.
create function bids_in_order() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if new.seq <> coalesce((select max(seq) from bids where lot_id = new.lot_id), 0) + 1 then
        raise exception 'bid % of this lot is out of order', new.seq using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger bids_in_order before insert on bids for each row execute function bids_in_order();

do $$
declare
    v_table text;
begin
    foreach v_table in array array[
        'custody_events', 'medium_events', 'certificates', 'certificate_lines', 'certificate_refusals',
        'certificate_revocations', 'accreditations', 'inspections', 'routings', 'outcome_reports', 'bids',
        'postings', 'entries', 'refusals'
    ] loop
        execute format(
            'create trigger append_only before update or delete on %I for each row execute function refuse_rewrite()', v_table);
        execute format(
            'create trigger append_only_all before truncate on %I for each statement execute function refuse_rewrite()', v_table);
    end loop;
end
$$;
