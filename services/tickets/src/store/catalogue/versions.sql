select clock_timestamp() as now, (select coalesce(array_agg(number order by number), '{}') from event) as numbers,
       (select coalesce(array_agg(version order by number), '{}') from event) as versions
