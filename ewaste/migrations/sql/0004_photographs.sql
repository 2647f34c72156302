-- What the database holds of photographs and second persons, and since when a device stands where it stands.

-- A cleared device may wait for its second person; if its certificate falls meanwhile, it is wiped anew.
insert into device_transitions (from_state, to_state, opens_cycle, needs_clearance, despite_hold) values
    ('cleared', 'clearing', true, false, false);

-- A device stands in its state since the event that moved it; the event is written just before the device changes.
create function devices_stand_since() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if new.state is distinct from old.state then
        select e.at into new.since from custody_events e where e.device_id = new.id and e.seq = new.custody_seq;
        new.since := coalesce(new.since, old.since);
    end if;
    return new;
end
$$;
create trigger devices_stand_since before update on devices
    for each row execute function devices_stand_since();

-- What one person alone can say (it was destroyed, it was there to be seen, there is none) sends no device its way
-- before a second person of the centre has confirmed it in this custody cycle.
create function ways_need_a_second_person() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (
        select 1
        from clearances c join certificate_lines l on l.certificate_id = c.certificate_id
        where c.device_id = new.device_id and c.ended_at is null
          and l.evidence_class in ('destroyed', 'operator-witnessed', 'absent')
          and 'confirmed' is distinct from (
            select v.result from validations v
            where v.medium_id = l.medium_id and v.device_id = new.device_id and v.cycle = c.cycle
            order by v.seq desc limit 1)
    ) then
        raise exception 'a second person has not confirmed what was done to every medium' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger ways_need_a_second_person before insert on custody_events
    for each row when (new.from_state = 'cleared' and new.to_state in ('for_resale', 'for_remanufacture', 'for_dismantling'))
    execute function ways_need_a_second_person();

create trigger append_only before update or delete on validations
    for each row execute function refuse_rewrite();
create trigger append_only_all before truncate on validations
    for each statement execute function refuse_rewrite();
create trigger photographs_stay before delete on photographs
    for each row execute function refuse_rewrite();
create trigger photographs_stay_all before truncate on photographs
    for each statement execute function refuse_rewrite();
create trigger photographs_hide_once before update on photographs
    for each row when (old.hidden_at is not null) execute function refuse_rewrite();

revoke execute on function devices_stand_since() from public;
revoke execute on function ways_need_a_second_person() from public;
grant select, insert on photographs, validations to :app;
grant update (hidden_at, hidden_by) on photographs to :app;
