"""Images: which ones a sandbox needs, and building what is missing, never silently."""

from sandbox.core.anatomy import Images
from sandbox.core.objects import Image
from sandbox.core.ports import Context
from sandbox.core.template import Template


def images_of(context: Context, template: Template) -> Images:
    """Return the images of a sandbox made from `template`; builds nothing."""
    catalogue = context.catalogue
    return Images(
        base=catalogue.base_image(),
        services={s: catalogue.service_image(template.name, s) for s in template.services},
        lab=catalogue.lab_image() if template.lab else None,
        proxy=catalogue.proxy_image() if template.egress else None,
        replica=catalogue.replica_image() if template.postgres else None,
    )


def missing(context: Context, images: list[Image]) -> list[Image]:
    """Return those of `images` that the engine does not have."""
    return [image for image in images if context.engine.image_id(image.tag) is None]


def build_missing(context: Context, images: list[Image]) -> list[str]:
    """Build what the engine does not have, saying so; return the tags that were built."""
    built = []
    for image in missing(context, images):
        context.progress.say("image", f"Building image {image.tag} (once; this takes a minute)")
        context.engine.build(image, context.progress)
        built.append(image.tag)
    return built
