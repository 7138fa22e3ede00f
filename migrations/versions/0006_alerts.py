"""What teams were told of episodes, what they put off, and what an episode came to when it was answered."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE page_decision (
            team text NOT NULL,
            key text NOT NULL,
            at timestamptz NOT NULL,
            told text NOT NULL,
            reason text NOT NULL,
            severity text NOT NULL,
            state text NOT NULL,
            projected numeric NOT NULL,
            currency text NOT NULL,
            sinks text[] NOT NULL,
            page boolean NOT NULL,
            storm text NOT NULL,
            PRIMARY KEY (team, key, at)
        )
        """
    )
    op.execute("CREATE INDEX page_decision_key ON page_decision (key)")
    op.execute(
        """
        CREATE TABLE snooze (
            episode_key text NOT NULL,
            at timestamptz NOT NULL,
            until date NOT NULL,
            projected numeric NOT NULL,
            currency text NOT NULL,
            note text NOT NULL,
            by text NOT NULL,
            PRIMARY KEY (episode_key, at)
        )
        """
    )
    _answers()
    _pages()


def _answers() -> None:
    """What an episode came to when it was answered."""
    op.execute("ALTER TABLE feedback ADD COLUMN projected numeric, ADD COLUMN currency text")
    op.execute("ALTER TABLE feedback ADD COLUMN p_value double precision")
    op.execute(
        """
        UPDATE feedback SET
            projected = (known.body -> 'projected' ->> 'amount')::numeric,
            currency = known.body -> 'projected' ->> 'currency',
            p_value = (known.body ->> 'p_value')::double precision
        FROM (
            SELECT feedback.id, found.body FROM feedback CROSS JOIN LATERAL (
                SELECT body FROM episode
                WHERE episode.key = feedback.episode_key
                ORDER BY (episode.as_of <= feedback.at) DESC, episode.as_of_day DESC LIMIT 1
            ) found
        ) known
        WHERE known.id = feedback.id
        """
    )


def _pages() -> None:
    """What was paged before there was a record of it is not paged again."""
    op.execute(
        """
        INSERT INTO page_decision
        SELECT 'on-call', body ->> 'episode', as_of,
               CASE kind WHEN 'episode_resolved' THEN 'resolved' ELSE 'paged' END,
               CASE kind WHEN 'episode_resolved' THEN 'back to expected' ELSE 'paged' END,
               min(body ->> 'severity'), min(body ->> 'state'), max((body ->> 'projected')::numeric),
               min(body ->> 'currency'), array_agg(DISTINCT sink ORDER BY sink),
               kind = 'episode_opened', ''
        FROM message
        WHERE kind IN ('episode_opened', 'episode_updated', 'episode_resolved') AND body ->> 'episode' IS NOT NULL
        GROUP BY body ->> 'episode', as_of, kind
        ON CONFLICT DO NOTHING
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE feedback DROP COLUMN projected, DROP COLUMN currency, DROP COLUMN p_value")
    op.execute("DROP TABLE snooze, page_decision")
