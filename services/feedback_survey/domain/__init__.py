"""What the customer is told and asked, when, and in which words."""

from services.feedback_survey.domain.stream import FEEDBACK

__all__ = ["FEEDBACK"]
