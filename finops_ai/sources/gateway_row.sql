-- One row of LiteLLM's SpendLogs (JSON) as typed columns. Tokens are told in several places; each is counted once.
WITH field AS (
  SELECT
    line,
    part,
    -- Each row is parsed once; what is of another type than asked for is null here and judged from its text.
    json_transform(row, '{
      "request_id": "VARCHAR", "startTime": "VARCHAR", "start_time": "VARCHAR",
      "spend": "VARCHAR", "prompt_tokens": "VARCHAR", "completion_tokens": "VARCHAR", "total_tokens": "VARCHAR",
      "model": "VARCHAR", "model_group": "VARCHAR", "custom_llm_provider": "VARCHAR", "api_key": "VARCHAR",
      "user": "VARCHAR", "end_user": "VARCHAR", "team_id": "VARCHAR", "organization_id": "VARCHAR",
      "cache_hit": "VARCHAR", "status": "VARCHAR", "metadata": "JSON", "request_tags": "JSON"
    }') AS told
  FROM raw
),

-- JSON columns come as objects, or as text that holds them.
plain AS (
  SELECT
    * EXCLUDE (told),
    UNNEST(told),
    CASE json_type(told.metadata)
      WHEN 'VARCHAR' THEN TRY_CAST(told.metadata ->> '$' AS JSON) ELSE told.metadata
    END AS about,
    CASE json_type(told.request_tags)
      WHEN 'VARCHAR' THEN TRY_CAST(told.request_tags ->> '$' AS JSON) ELSE told.request_tags
    END AS tag_list
  FROM field
),

detail AS (
  SELECT
    *,
    json_transform(about, '{
      "user_api_key_team_alias": "VARCHAR", "user_api_key_alias": "VARCHAR", "spend_logs_metadata": "JSON",
      "usage_object": {
        "cache_read_input_tokens": "BIGINT", "cache_creation_input_tokens": "BIGINT",
        "cache_creation": {"ephemeral_1h_input_tokens": "BIGINT"},
        "prompt_tokens_details": {
          "cached_tokens": "BIGINT", "cache_creation_tokens": "BIGINT", "audio_tokens": "BIGINT",
          "image_tokens": "BIGINT", "video_tokens": "BIGINT",
          "cache_creation_token_details": {"ephemeral_1h_input_tokens": "BIGINT"}
        },
        "completion_tokens_details": {"audio_tokens": "BIGINT", "image_tokens": "BIGINT", "video_tokens": "BIGINT"}
      },
      "additional_usage_values": {
        "cache_read_input_tokens": "BIGINT", "cache_creation_input_tokens": "BIGINT",
        "cache_creation": {"ephemeral_1h_input_tokens": "BIGINT"},
        "prompt_tokens_details": {
          "cached_tokens": "BIGINT", "cache_creation_tokens": "BIGINT", "audio_tokens": "BIGINT",
          "image_tokens": "BIGINT", "video_tokens": "BIGINT",
          "cache_creation_token_details": {"ephemeral_1h_input_tokens": "BIGINT"}
        },
        "completion_tokens_details": {"audio_tokens": "BIGINT", "image_tokens": "BIGINT", "video_tokens": "BIGINT"}
      }
    }') AS meta,
    TRY_CAST(prompt_tokens AS BIGINT) AS prompted,
    TRY_CAST(completion_tokens AS BIGINT) AS completed
  FROM plain
),

usage AS (
  SELECT *, meta.usage_object AS one, meta.additional_usage_values AS two FROM detail
),

bucket AS (
  SELECT
    line,
    part,
    request_id,
    coalesce(startTime, start_time) AS said_start,
    spend AS said_spend,
    prompt_tokens AS said_prompt_tokens,
    completion_tokens AS said_completion_tokens,
    coalesce(nullif(model, ''), model_group, '') AS model,
    custom_llm_provider AS provider,
    coalesce(meta.user_api_key_alias, api_key, '') AS api_key,
    coalesce("user", '') AS user_name,
    coalesce(end_user, '') AS end_user,
    team_id,
    meta.user_api_key_team_alias AS team_alias,
    organization_id,
    CASE
      WHEN lower(cache_hit) = 'true' AND coalesce(status, '') <> 'failure' THEN 'cached'
      ELSE coalesce(nullif(status, ''), 'success')
    END AS status,
    CAST(tag_list AS VARCHAR) AS tag_list,
    CAST(meta.spend_logs_metadata AS VARCHAR) AS own_metadata,
    prompted,
    completed,
    TRY_CAST(total_tokens AS BIGINT) AS total,
    greatest(
      0, one.cache_read_input_tokens, two.cache_read_input_tokens,
      one.prompt_tokens_details.cached_tokens, two.prompt_tokens_details.cached_tokens
    ) AS reads,
    greatest(
      0, one.cache_creation_input_tokens, two.cache_creation_input_tokens,
      one.prompt_tokens_details.cache_creation_tokens, two.prompt_tokens_details.cache_creation_tokens
    ) AS writes,
    greatest(
      0, one.cache_creation.ephemeral_1h_input_tokens, two.cache_creation.ephemeral_1h_input_tokens,
      one.prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens,
      two.prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens
    ) AS longer,
    greatest(0, one.prompt_tokens_details.audio_tokens, two.prompt_tokens_details.audio_tokens) AS audio_in,
    greatest(0, one.prompt_tokens_details.image_tokens, two.prompt_tokens_details.image_tokens) AS image_in,
    greatest(0, one.prompt_tokens_details.video_tokens, two.prompt_tokens_details.video_tokens) AS video_in,
    greatest(0, one.completion_tokens_details.audio_tokens, two.completion_tokens_details.audio_tokens) AS audio_out,
    greatest(0, one.completion_tokens_details.image_tokens, two.completion_tokens_details.image_tokens) AS image_out,
    greatest(0, one.completion_tokens_details.video_tokens, two.completion_tokens_details.video_tokens) AS video_out
  FROM usage
),

-- Cached tokens are among the prompt's, but for gateways that count them beside: there they are more, or the total
-- says so.
whole AS (
  SELECT
    *,
    CASE
      WHEN reads + writes > prompted OR reads + writes > 0 AND total >= prompted + completed + reads + writes
        THEN prompted
      ELSE prompted - reads - writes
    END AS fresh
  FROM bucket
),

-- An image among cached tokens is cached: what is told of each kind fits into the fresh tokens, one after the other.
kinds AS (
  SELECT
    *,
    least(audio_in, fresh) AS input_audio,
    least(image_in, fresh - input_audio) AS input_image,
    least(video_in, fresh - input_audio - input_image) AS input_video,
    least(audio_out, completed) AS output_audio,
    least(image_out, completed - output_audio) AS output_image,
    least(video_out, completed - output_audio - output_image) AS output_video
  FROM whole
)

SELECT
  * EXCLUDE (fresh, total, longer, writes, audio_in, image_in, video_in, audio_out, image_out, video_out),
  fresh - input_audio - input_image - input_video AS input_text,
  completed - output_audio - output_image - output_video AS output_text,
  least(longer, writes) AS writes_1h,
  writes - writes_1h AS writes_5m
FROM kinds
