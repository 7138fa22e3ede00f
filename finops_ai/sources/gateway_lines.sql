-- Requests as lines: money stands on the request, tokens on a line for each bucket, requests alike are one line.
WITH alike AS (
  SELECT
    day, organization_id, team_id, team_alias, provider, model, api_key, user_name, end_user, status, tag_list,
    own_metadata, billing_currency,
    count(*) AS requests,
    sum(coalesce(spend, 0)) AS spend,
    sum(input_text) AS input_text,
    sum(input_audio) AS input_audio,
    sum(input_image) AS input_image,
    sum(input_video) AS input_video,
    sum(reads) AS reads,
    sum(writes_5m) AS writes_5m,
    sum(writes_1h) AS writes_1h,
    sum(output_text) AS output_text,
    sum(output_audio) AS output_audio,
    sum(output_image) AS output_image,
    sum(output_video) AS output_video
  FROM charged
  GROUP BY ALL
),

told AS (
  SELECT
    *,
    list_concat(
      coalesce(list_transform(TRY_CAST(TRY_CAST(tag_list AS JSON) AS VARCHAR[]), lambda t: {
        'key': coalesce(nullif(trim(regexp_extract(t, '^([^:=]+)[:=]', 1)), ''), t),
        'value': coalesce(nullif(trim(regexp_extract(t, '^[^:=]+[:=](.*)$', 1, 's')), ''), 'true')
      }), []),
      coalesce(map_entries(TRY_CAST(TRY_CAST(own_metadata AS JSON) AS MAP(VARCHAR, VARCHAR))), [])
    ) AS pairs
  FROM alike
),

-- Two values under one key: the request's tag comes before its metadata, what the gateway knows before both.
tagged AS (
  SELECT
    *,
    map_concat(
      map_from_entries(list_filter(pairs, lambda p, i:
        list_position(list_transform(pairs, lambda q: q.key), p.key) = i AND p.value IS NOT NULL)),
      MAP {
        'model': model,
        'provider': coalesce(provider, ''),
        'team': coalesce(team_alias, team_id, ''),
        'api-key': api_key,
        'user': user_name,
        'end-user': end_user,
        'request-status': status
      }
    ) AS labels
  FROM told
),

meter AS (
  SELECT
    *,
    unnest([
      {'meter': 'requests', 'unit': 'Requests', 'direction': '', 'cache': '', 'modality': '', 'quantity': requests},
      {'meter': 'input', 'unit': 'Tokens', 'direction': 'Input', 'cache': 'Uncached', 'modality': 'text',
        'quantity': input_text},
      {'meter': 'audio input', 'unit': 'Tokens', 'direction': 'Input', 'cache': 'Uncached', 'modality': 'audio',
        'quantity': input_audio},
      {'meter': 'image input', 'unit': 'Tokens', 'direction': 'Input', 'cache': 'Uncached', 'modality': 'image',
        'quantity': input_image},
      {'meter': 'video input', 'unit': 'Tokens', 'direction': 'Input', 'cache': 'Uncached', 'modality': 'video',
        'quantity': input_video},
      {'meter': 'cached input', 'unit': 'Tokens', 'direction': 'Input', 'cache': 'Read', 'modality': 'text',
        'quantity': reads},
      {'meter': 'cache write 5m input', 'unit': 'Tokens', 'direction': 'Input', 'cache': 'Write', 'modality': 'text',
        'quantity': writes_5m},
      {'meter': 'cache write 1h input', 'unit': 'Tokens', 'direction': 'Input', 'cache': 'Write', 'modality': 'text',
        'quantity': writes_1h},
      {'meter': 'output', 'unit': 'Tokens', 'direction': 'Output', 'cache': '', 'modality': 'text',
        'quantity': output_text},
      {'meter': 'audio output', 'unit': 'Tokens', 'direction': 'Output', 'cache': '', 'modality': 'audio',
        'quantity': output_audio},
      {'meter': 'image output', 'unit': 'Tokens', 'direction': 'Output', 'cache': '', 'modality': 'image',
        'quantity': output_image},
      {'meter': 'video output', 'unit': 'Tokens', 'direction': 'Output', 'cache': '', 'modality': 'video',
        'quantity': output_video}
    ], recursive := true)
  FROM tagged
)

SELECT
  day AS charge_period_start,
  organization_id AS billing_account_id,
  team_id AS sub_account_id,
  team_alias AS sub_account_name,
  provider,
  meter,
  unit AS consumed_unit,
  billing_currency,
  map_concat(labels, MAP {'token-direction': direction, 'token-cache-action': cache, 'modality': modality}) AS tags,
  CAST(quantity AS DECIMAL(38, 18)) AS consumed_quantity,
  CAST(CASE WHEN meter = 'requests' THEN spend ELSE 0 END AS DECIMAL(38, 18)) AS billed_cost
FROM meter
WHERE quantity <> 0
