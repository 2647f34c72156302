-- A medium that was noted by mistake is taken back before any work order named it; both entries stay.

-- Every medium observed in the cycle, and not taken back since, has an admitted line in this certificate, or is held
-- apart; and there is one.
create or replace function device_covered(p_device uuid, p_cycle bigint, p_certificate uuid) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
    select exists (select 1 from certificate_lines where certificate_id = p_certificate)
       and not exists (
        select 1
        from medium_events e join media m on m.id = e.medium_id
        where e.device_id = p_device and e.cycle = p_cycle and e.kind in ('found', 'fitted')
          and not exists (
            select 1 from medium_events w
            where w.medium_id = m.id and w.cycle = p_cycle and w.kind = 'withdrawn' and w.at > e.at)
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

create function medium_withdrawn() returns trigger language plpgsql as $$
begin
    if new.kind = 'withdrawn' then
        if exists (select 1 from work_orders where device_id = new.device_id and cycle = new.cycle)
           or exists (select 1 from medium_events where medium_id = new.medium_id
                      and (kind not in ('found', 'withdrawn') or cycle <> new.cycle)) then
            raise exception 'this medium was named by a work order, or more happened to it' using errcode = 'check_violation';
        end if;
    elsif new.kind = 'found' and new.evidence ? 'carriedFromCycle' then
        -- A new custody cycle starts without what was taken back in the old one.
        if exists (select 1 from medium_events w
                   where w.medium_id = new.medium_id and w.cycle = (new.evidence->>'carriedFromCycle')::bigint
                     and w.kind = 'withdrawn'
                     and not exists (select 1 from medium_events e
                                     where e.medium_id = w.medium_id and e.cycle = w.cycle
                                       and e.kind in ('found', 'fitted') and e.at >= w.at)) then
            return null;
        end if;
    end if;
    return new;
end
$$;
create trigger medium_withdrawn before insert on medium_events
    for each row execute function medium_withdrawn();
revoke execute on function medium_withdrawn() from public;
