"""SEATER: names a video by walking down a tree of all, one branch at a time, from what a user watched (docs/methods/retrieval.md#seater).

Shapes: B users, H past videos, L longest path, T tokens, K children, D width, W width of the beam, N targets and rivals of a user.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.retrieval.balanced_tree import NO_TOKEN, BalancedTree

HEADS = 2
RIVALS = 4
"""Videos that a target is held above: one below each of its last so many ancestors."""
GAP = 0.001
"""Margin of the ranking loss per place between two of them."""


class Seater(nn.Module):
    """One layer that reads past videos, one that walks down, and one table of tokens for both.

    Args:
        tree: of all videos.
        width: D.
        dropout: in both layers.
        history: H at most.
    """

    child_TK: Tensor
    parent_T: Tensor
    path_VL: Tensor
    leaf_V: Tensor
    video_T: Tensor

    def __init__(self, tree: BalancedTree, width: int, dropout: float, history: int) -> None:
        super().__init__()
        for name in ("child_TK", "parent_T", "path_VL", "leaf_V", "video_T"):
            self.register_buffer(name, torch.from_numpy(getattr(tree, name)))
        self.tokens = nn.Embedding(tree.num_tokens, width)
        self.past_place = nn.Embedding(history, width)
        self.depth = nn.Embedding(tree.path_VL.shape[1], width)
        self.encoder = nn.TransformerEncoderLayer(width, HEADS, 4 * width, dropout, batch_first=True)
        self.decoder = nn.TransformerDecoderLayer(width, HEADS, 4 * width, dropout, batch_first=True)
        self.past_map, self.walk_map = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.bilinear = nn.Parameter(torch.eye(width))
        nn.init.normal_(self.tokens.weight, std=width**-0.5)

    def encode(self, past_BH: Tensor) -> Tensor:
        """Return past videos in their context, [B, H, D].

        Args:
            past_BH: videos, oldest first, `NO_TOKEN` before the first; at least one.
        """
        known_BH = past_BH != NO_TOKEN
        token_BHD = self.tokens(self.leaf_V[past_BH.clamp(min=0)]) + self.past_place.weight[-past_BH.shape[1] :]
        return cast(Tensor, self.encoder(token_BHD, src_key_padding_mask=~known_BH))

    def walk(self, past_BHD: Tensor, past_BH: Tensor, path_BL: Tensor) -> Tensor:
        """Return the state before each step of a path, [B, L, D]: place l has seen the root and the first l tokens."""
        seen_BL = functional.pad(path_BL[:, :-1], (1, 0)).clamp(min=0)
        length = path_BL.shape[1]
        causal_LL = torch.triu(torch.ones(length, length, dtype=torch.bool, device=path_BL.device), diagonal=1)
        token_BLD = self.tokens(seen_BL) + self.depth.weight[:length]
        state = self.decoder(token_BLD, past_BHD, tgt_mask=causal_LL, memory_key_padding_mask=past_BH == NO_TOKEN)
        return cast(Tensor, state)

    def branch_logits(self, state_BD: Tensor, node_B: Tensor) -> Tensor:
        """Return log probabilities of the children of a node alone, -inf where it has fewer, [B, K]."""
        child_BK = self.child_TK[node_B]
        logit_BK = (self.tokens(child_BK.clamp(min=0)) * state_BD[:, None]).sum(dim=2)
        log_p_BK: Tensor = logit_BK.masked_fill(child_BK == NO_TOKEN, -torch.inf).log_softmax(dim=1)
        return log_p_BK

    def loss(
        self,
        past_BH: Tensor,
        video_B: Tensor,
        generator: torch.Generator,
        align: float,
        rank: float,
        temperature: float,
    ) -> Tensor:
        """Return the loss of walking to the videos watched next, with both further terms."""
        past_BHD = self.encode(past_BH)
        path_BL = self.path_VL[video_B]
        state_BLD = self.walk(past_BHD, past_BH, path_BL)
        generated = self._generation(state_BLD, path_BL)
        aligned = self._alignment(path_BL, temperature) if align else generated.new_zeros(())
        ranked = self._ranking(past_BHD, past_BH, video_B, generator) if rank else generated.new_zeros(())
        return generated + align * aligned + rank * ranked

    def _generation(self, state_BLD: Tensor, path_BL: Tensor) -> Tensor:
        """Return - sum over steps of log p of the branch taken, mean over users."""
        on_path = path_BL != NO_TOKEN
        node_BL = functional.pad(path_BL[:, :-1], (1, 0))
        node, token = node_BL[on_path], path_BL[on_path]
        log_p = self.branch_logits(state_BLD[on_path], node)
        taken = (self.child_TK[node] == token[:, None]).int().argmax(dim=1)
        return -log_p.gather(1, taken[:, None]).sum() / len(path_BL)

    def _alignment(self, path_BL: Tensor, temperature: float) -> Tensor:
        """Return InfoNCE of every token of the paths with its parent; its own children are no negatives, the parent counts once."""
        token_J = torch.unique(path_BL[path_BL != NO_TOKEN])
        parent_J = self.parent_T[token_J]
        below_root = parent_J != 0
        if not below_root.any():
            return self.tokens.weight.new_zeros(())
        unit_JD = functional.normalize(self.tokens(token_J), dim=1)
        unit_parent_JD = functional.normalize(self.tokens(parent_J), dim=1)
        others_JJ = unit_JD @ unit_JD.T / temperature
        no_negative_JJ = (
            (token_J[:, None] == token_J)
            | (parent_J[None, :] == token_J[:, None])
            | (token_J[None, :] == parent_J[:, None])
        )
        positive_J = (unit_JD * unit_parent_JD).sum(dim=1) / temperature
        all_J = torch.cat([positive_J[:, None], others_JJ.masked_fill(no_negative_JJ, -torch.inf)], dim=1).logsumexp(
            dim=1
        )
        return (all_J - positive_J)[below_root].mean()

    def _ranking(self, past_BHD: Tensor, past_BH: Tensor, video_B: Tensor, generator: torch.Generator) -> Tensor:
        """Return the hinge between a target and rivals that share ever less of its path, in the order of what they share."""
        video_BN, shared_BN = self._rivals(video_B, generator)
        size = video_BN.shape[1]
        path = self.path_VL[video_BN.flatten()]
        repeated, known = past_BHD.repeat_interleave(size, dim=0), past_BH.repeat_interleave(size, dim=0)
        state = self.walk(repeated, known, path)
        on_path = (path != NO_TOKEN).unsqueeze(2)
        walk_BND = (self.walk_map(state) * on_path).sum(dim=1) / on_path.sum(dim=1)
        is_past = (known != NO_TOKEN).unsqueeze(2)
        past_BND = (self.past_map(repeated) * is_past).sum(dim=1) / is_past.sum(dim=1)
        score_BN = ((past_BND @ self.bilinear) * walk_BND).sum(dim=1).sigmoid().reshape(-1, size)
        place_N = torch.arange(size, device=score_BN.device)
        margin_NN = GAP * (place_N - place_N[:, None])
        nearer_BNN = shared_BN[:, :, None] > shared_BN[:, None, :]
        hinge_BNN = (score_BN[:, None, :] - score_BN[:, :, None] + margin_NN).clamp(min=0)
        hinge: Tensor = (hinge_BNN * nearer_BNN).sum() / nearer_BNN.sum().clamp(min=1)
        return hinge

    def _rivals(self, video_B: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the target, then a video below each of its last ancestors, nearest first, and how many tokens they share with it."""
        path_BL = self.path_VL[video_B]
        length_B = (path_BL != NO_TOKEN).sum(dim=1)
        videos, shared = [video_B], [length_B]
        for above in range(1, RIVALS + 1):
            depth_B = (length_B - above).clamp(min=0)
            # a video drawn below an ancestor: walk down from it, each child alike
            node_B = torch.where(depth_B > 0, path_BL.gather(1, (depth_B - 1).clamp(min=0)[:, None])[:, 0], 0)
            while (inner_B := self.video_T[node_B] < 0).any():
                child_BK = self.child_TK[node_B]
                chance_BK = (child_BK != NO_TOKEN).float()
                drawn_B = torch.multinomial(chance_BK + ~inner_B[:, None], 1, generator=generator)
                node_B = torch.where(inner_B, child_BK.gather(1, drawn_B)[:, 0], node_B)
            video = self.video_T[node_B]
            same_BL = (self.path_VL[video] == path_BL) & (path_BL != NO_TOKEN)
            videos.append(video)
            shared.append(same_BL.int().cumprod(dim=1).sum(dim=1))
        return torch.stack(videos, dim=1), torch.stack(shared, dim=1)

    @torch.no_grad()
    def beam(self, past_BH: Tensor, width: int, barred_BV: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the videos found by a beam over the tree and their log probabilities, best first, [B, W] each.

        Args:
            past_BH: past videos.
            width: W; as wide as there are videos it is an exact sort of all.
            barred_BV: videos that are not to be found. Places that stay empty hold -1 and -inf.
        """
        batch, length = len(past_BH), self.path_VL.shape[1]
        past_BHD = self.encode(past_BH).repeat_interleave(width, dim=0)
        known = past_BH.repeat_interleave(width, dim=0)
        path = torch.full((batch * width, length), NO_TOKEN, device=past_BH.device)
        node = torch.zeros(batch * width, dtype=torch.int64, device=past_BH.device)
        score_BW = torch.full((batch, width), -torch.inf, device=past_BH.device)
        score_BW[:, 0] = 0
        for step in range(length):
            state = self.walk(past_BHD, known, path[:, : step + 1])[:, step]
            child = self.child_TK[node]
            at_leaf = self.video_T[node] >= 0
            log_p = torch.where(at_leaf[:, None], -torch.inf, self.branch_logits(state, torch.where(at_leaf, 0, node)))
            if barred_BV is not None:
                video = self.video_T[child.clamp(min=0)]
                row = torch.arange(batch, device=node.device).repeat_interleave(width)[:, None]
                barred = (child != NO_TOKEN) & (video >= 0) & barred_BV[row, video.clamp(min=0)]
                log_p = log_p.masked_fill(barred, -torch.inf)
            # what has arrived stays in the beam beside what walks on
            ends = torch.where(at_leaf, 0.0, -torch.inf)[:, None]
            total = score_BW.reshape(-1, 1) + torch.cat([ends, log_p], dim=1)
            best_BW, place_BW = total.reshape(batch, -1).sort(dim=1, descending=True, stable=True)
            score_BW, place_BW = best_BW[:, :width], place_BW[:, :width]
            choices = child.shape[1] + 1
            origin = (place_BW // choices + torch.arange(batch, device=node.device)[:, None] * width).flatten()
            choice = (place_BW % choices).flatten()
            next_token = child[origin].gather(1, (choice - 1).clamp(min=0)[:, None])[:, 0]
            path = path[origin].clone()
            path[:, step] = torch.where(choice > 0, next_token, NO_TOKEN)
            node = torch.where(choice > 0, next_token.clamp(min=0), node[origin])
        video_BW = self.video_T[node].reshape(batch, width)
        return video_BW.masked_fill(score_BW == -torch.inf, -1), score_BW
