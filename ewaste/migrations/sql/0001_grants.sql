-- What the app role may do. It reads everything, adds to most things, changes few columns, and deletes almost nothing.

revoke all on schema public from public;
revoke execute on all functions in schema public from public;
grant usage on schema public to :app;
grant select on all tables in schema public to :app;
grant usage, select on all sequences in schema public to :app;
grant execute on all functions in schema public to :app;
revoke execute on function unlist(uuid, text, timestamptz) from :app;

grant insert on
    refusals, people, organisations, memberships, devices, media, medium_events, holds, quotes, offers, inspections,
    routings, outcome_reports, centres, accreditations, enrolment_codes, stations, work_orders, seen_nonces,
    certificates, certificate_lines, certificate_refusals, certificate_revocations, clearances,
    listings, lots, lot_lines, bids, orders, postings, entries, payment_instructions, payees, gateway_events
to :app;

grant update (name, password_hash, session_epoch) on people to :app;
grant update (state, group_name, licences) on organisations to :app;
grant update (observed) on devices to :app;
grant update (lifted_at, lifted_by, lift_reason) on holds to :app;
grant update (person_id, accepted_at, device_id, silence, floor_minor) on quotes to :app;
grant update (state, answered_at, pay_by) on offers to :app;
grant update (standing, methods, media_kinds, accredited_from, accredited_until, suspended_at, suspension_reason) on centres to :app;
grant update (used_at) on enrolment_codes to :app;
grant update (revoked_at, revoked_because) on stations to :app;
grant update (consumed_at, superseded_at) on work_orders to :app;
grant update (state, closed_at, closed_because) on listings to :app;
grant update (state, next_seq, price_minor, leader_id, leader_max_minor, second_id, second_max_minor, ends_at, closed_at) on lots to :app;
grant update (released_at, released_because) on lot_lines to :app;
grant update (state, paid_at, handed_over_at, closed_at) on orders to :app;
grant update (state, provider_reference, attempts, failure, sent_at, settled_at) on payment_instructions to :app;
grant update (instruction_id, applied_at, effect) on gateway_events to :app;
grant delete on seen_nonces to :app;

grant select, insert, update, delete on
    procrastinate_jobs, procrastinate_events, procrastinate_periodic_defers, procrastinate_workers
to :app;
