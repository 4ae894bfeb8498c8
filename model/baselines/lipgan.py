"""LipGAN: K R, Mukhopadhyay, Philip, Jha, Namboodiri and Jawahar, *Towards Automatic Face-to-Face Translation* (ACM
MM 2019), section 4: a face with its lower half hidden, a reference face and speech in, the whole face out, a frame at
a time.

The generator is a U-Net with speech concatenated at its smallest maps; the discriminator decides by the distance
between a face and speech whether they belong together, and also sees true faces with speech of another time.

Simplifications against the paper:
- crops are ours, 1.6 times as wide as a face is high, at the preset's size (theirs: tight, 96 pixels); the hidden
  half is theirs, the rows from the middle down;
- speech is 200 ms of 80 mel bands (theirs: 350 ms of MFCC);
- the U-Net ends at 4 x 4 pixels, not at one, has no batch normalisation (batches are small) and is about a tenth as
  wide;
- embeddings have unit length, so that a margin of 1 says the same at every size;
- the weight of the adversarial loss is ours (_ADVERSARIAL), since the paper names none that fits our sizes.

Shape suffix legend: N = windows, F = shown frames, B = N * F faces, C = 3 colours, S = side of a crop in pixels, M =
80 mel bands, K = 20 mel columns, D = values of an embedding.
"""

from typing import Final

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional

from heterodub.model.baselines.batches import AVBatch
from heterodub.model.baselines.inference import BaselineInput, BaselineNetwork, in_pieces
from heterodub.model.baselines.layers import AudioEncoder, SyncNet, UNet, lower_half_hidden
from heterodub.model.baselines.training_module import TRANSLATOR_NETWORK, BaselineTrainingModule, TrainingContext
from heterodub.schemas.config.baselines import BaselineArchitecture, BaselineSettings

_ADVERSARIAL: Final = 0.05
"""Weight of the adversarial loss beside L1."""

_MARGIN: Final = 1.0
"""Distance beyond which a false pair gives the discriminator no gradient; unit vectors are 2 apart at most."""

DISCRIMINATOR: Final = "discriminator"


class LipGanGenerator(BaselineNetwork):
    """The generator of LipGAN and, with residual blocks, of Wav2Lip."""

    def __init__(self, architecture: BaselineArchitecture, residual: bool = False) -> None:
        super().__init__(architecture)
        self.hearing = AudioEncoder(architecture.embedding_dim)
        self.body = UNet(6, 3, architecture, architecture.embedding_dim, residual)

    def forward(self, faces_BCSS: Tensor, mel_BMK: Tensor, known_BCSS: Tensor) -> Tensor:
        """Generate faces (B, 3, S, S) from faces in 0..1 (upper halves alone), mel windows and reference faces."""
        inputs = torch.cat([lower_half_hidden(faces_BCSS * 2 - 1), known_BCSS * 2 - 1], dim=1)
        return torch.sigmoid(self.body(inputs, self.hearing(mel_BMK)))

    def generate(self, inputs: BaselineInput) -> Tensor:
        """Generate each frame independently; see BaselineNetwork."""

        def piece(crops_TCSS: Tensor, mel_TMK: Tensor) -> Tensor:
            generated: Tensor = self(crops_TCSS, mel_TMK, inputs.known_CSS.expand_as(crops_TCSS))
            return generated

        return in_pieces(piece, inputs.crops_TCSS, inputs.mel_TMK)


class LipGanTrainingModule(BaselineTrainingModule):
    """Trains generator and discriminator, both in the same step."""

    def __init__(self, fabric: Fabric, settings: BaselineSettings, context: TrainingContext) -> None:
        super().__init__(fabric, settings, context)
        self.add(TRANSLATOR_NETWORK, LipGanGenerator(settings.architecture))
        self.add(
            DISCRIMINATOR, SyncNet(1, settings.architecture.side_px, settings.architecture), settings.disc_learning_rate
        )

    def training_step(self, batch: AVBatch, step: int) -> dict[str, Tensor]:
        """Train on L1 and, from `disc_start_step`, the contrastive GAN loss."""
        true, mel = batch.shown_NFCSS.flatten(0, 1), batch.heard_NFMK.flatten(0, 1)
        generated = self.optimizers[TRANSLATOR_NETWORK].network(true, mel, beside_each(batch)).float()
        losses = {"l1": (generated - true).abs().mean()}
        if step < self.settings.disc_start_step:
            losses["total"] = losses["l1"]
            self.optimizer_step(step, {TRANSLATOR_NETWORK: losses["total"]})
            return losses
        discriminator = self.optimizers[DISCRIMINATOR].network
        losses["pair"] = apart(*self.optimizers[DISCRIMINATOR].frozen_forward(generated, mel)).square().mean()
        losses["total"] = losses["l1"] + _ADVERSARIAL * losses["pair"]
        other_mel = batch.elsewhere_NFMK.flatten(0, 1)
        distances = apart(*discriminator(torch.cat([true, true, generated.detach()]), torch.cat([mel, other_mel, mel])))
        losses["discriminator"] = contrastive(distances, torch.arange(len(distances), device=true.device) < len(true))
        self.optimizer_step(step, {TRANSLATOR_NETWORK: losses["total"], DISCRIMINATOR: losses["discriminator"]})
        return losses


def beside_each(batch: AVBatch) -> Tensor:
    """Return the reference face of each shown frame, (N * F, 3, S, S)."""
    return batch.known_NCSS[:, None].expand_as(batch.shown_NFCSS).flatten(0, 1)


def apart(seen_BD: Tensor, heard_BD: Tensor) -> Tensor:
    """Return the distance of two embeddings, each normalised to unit length: (B,), 0 to 2."""
    off = functional.normalize(seen_BD.float(), dim=1) - functional.normalize(heard_BD.float(), dim=1)
    return (off.square().sum(dim=1) + 1e-8).sqrt()  # a root of 0 has no slope


def contrastive(distances_B: Tensor, belong_B: Tensor) -> Tensor:
    """Return the contrastive loss: true pairs together, false ones a margin apart, both with the same weight."""
    near = distances_B[belong_B].square().mean()
    far = functional.relu(_MARGIN - distances_B[~belong_B]).square().mean()
    return (near + far) / 2
