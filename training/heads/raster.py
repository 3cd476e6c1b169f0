"""Numba kernels: z-buffer, deferred shading, blended cards. Screen coordinates are pixels, y down; depth is 1/z (larger = nearer)."""

from __future__ import annotations

import numba as nb
import numpy as np

SKIN, HAIR, CARD, EYE, PLAIN = range(5)
"""Kinds of parts: skin, hair cards, brows and lashes, eyeballs, anything matt."""

GAMMA = (np.linspace(0, 1, 1024) ** (1 / 2.2)).astype(np.float32)


@nb.njit(fastmath=True, cache=True, inline="always")
def _bilinear(texture, u, v, c):
    h, w = texture.shape[0], texture.shape[1]
    x = min(max(u * w - 0.5, 0.0), w - 1.001)
    y = min(max(v * h - 0.5, 0.0), h - 1.001)
    i, j = int(x), int(y)
    a, b = x - i, y - j
    top = texture[j, i, c] * (1 - a) + texture[j, i + 1, c] * a
    low = texture[j + 1, i, c] * (1 - a) + texture[j + 1, i + 1, c] * a
    return top * (1 - b) + low * b


@nb.njit(fastmath=True, cache=True, inline="always")
def _nearest(alpha, u, v):
    h, w = alpha.shape
    return alpha[min(max(int(v * h), 0), h - 1), min(max(int(u * w), 0), w - 1)]


@nb.njit(fastmath=True, cache=True)
def rasterize(screen, triangles, uv, alpha, threshold, two_sided, part, near, hit, bary):
    """Write the nearest surface: ``near [R, R]`` 1/z, ``hit [R, R, 2]`` (part, triangle), ``bary [R, R, 2]`` perspective-correct.

    ``threshold > 0`` drops pixels whose coverage in ``alpha`` is below it.
    """
    size = near.shape[0]
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0 = screen[i, 0], screen[i, 1]
        x1, y1 = screen[j, 0], screen[j, 1]
        x2, y2 = screen[k, 0], screen[k, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0.0 or (area > 0.0 and not two_sided):  # y points down: front faces have a negative area
            continue
        inverse = 1.0 / area
        left, right = max(int(np.floor(min(x0, x1, x2) + 0.5)), 0), min(int(np.ceil(max(x0, x1, x2) - 0.5)), size)
        top, bottom = max(int(np.floor(min(y0, y1, y2) + 0.5)), 0), min(int(np.ceil(max(y0, y1, y2) - 0.5)), size)
        for y in range(top, bottom):
            py = y + 0.5
            for x in range(left, right):
                px = x + 0.5
                b1 = ((px - x0) * (y2 - y0) - (x2 - x0) * (py - y0)) * inverse
                b2 = ((x1 - x0) * (py - y0) - (px - x0) * (y1 - y0)) * inverse
                b0 = 1.0 - b1 - b2
                if b0 < 0.0 or b1 < 0.0 or b2 < 0.0:
                    continue
                q0, q1, q2 = b0 * screen[i, 2], b1 * screen[j, 2], b2 * screen[k, 2]
                inverse_z = q0 + q1 + q2
                if inverse_z <= near[y, x]:
                    continue
                z = 1.0 / inverse_z
                q0, q1, q2 = q0 * z, q1 * z, q2 * z
                if threshold > 0.0:
                    u = q0 * uv[i, 0] + q1 * uv[j, 0] + q2 * uv[k, 0]
                    v = q0 * uv[i, 1] + q1 * uv[j, 1] + q2 * uv[k, 1]
                    if _nearest(alpha, u, v) < threshold:
                        continue
                near[y, x] = inverse_z
                hit[y, x, 0], hit[y, x, 1] = part, t
                bary[y, x, 0], bary[y, x, 1] = q0, q1


@nb.njit(fastmath=True, cache=True)
def shade(part, kind, attributes, triangles, texture, tint, hit, bary, colour, eye, directions, lights, low, high, masks,
          scalp, scalp_strength, stubble, mole, patch, gamma):
    """Light the pixels of one part and write display colours.

    ``attributes [V, 9]``: position, normal, uv, occlusion. Wrapped diffuse (wider in red on skin), two speculars, hemisphere
    ambient; hair normals lean towards the direction from the head's centre.
    """
    size = hit.shape[0]
    a = np.zeros(9, np.float32)
    for y in range(size):
        for x in range(size):
            if hit[y, x, 0] != part:
                continue
            t = hit[y, x, 1]
            i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            b0, b1 = bary[y, x, 0], bary[y, x, 1]
            b2 = 1 - b0 - b1
            for n in range(9):
                a[n] = b0 * attributes[i, n] + b1 * attributes[j, n] + b2 * attributes[k, n]
            vx, vy, vz = eye[0] - a[0], eye[1] - a[1], eye[2] - a[2]
            m = 1 / np.sqrt(vx * vx + vy * vy + vz * vz)
            vx, vy, vz = vx * m, vy * m, vz * m
            nx, ny, nz = a[3], a[4], a[5]
            m = 1 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
            nx, ny, nz = nx * m, ny * m, nz * m
            if kind == HAIR:
                if nx * vx + ny * vy + nz * vz < 0:
                    nx, ny, nz = -nx, -ny, -nz
                m = 1 / np.sqrt(a[0] ** 2 + (a[1] - 0.02) ** 2 + a[2] ** 2 + 1e-9)
                nx, ny, nz = 0.4 * nx + 0.6 * a[0] * m, 0.4 * ny + 0.6 * (a[1] - 0.02) * m, 0.4 * nz + 0.6 * a[2] * m
                m = 1 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
                nx, ny, nz = nx * m, ny * m, nz * m
            u, v, occlusion = a[6], a[7], a[8]
            cover_scalp = cover_beard = spot = mark = 0.0
            if kind == SKIN:
                cover_scalp = _bilinear(masks, u, v, 0) * scalp_strength
                cover_beard = _bilinear(masks, u, v, 1) * 0.55 * stubble
                if mole[2] > 0:
                    d = np.sqrt(((u - mole[0]) * 560) ** 2 + ((v - mole[1]) * 1216) ** 2) / mole[2]
                    spot = min(max((1.15 - d) / 0.3, 0.0), 1.0)
                if patch[2] > 0:
                    du, dv = (u - patch[0]) * 560, (v - patch[1]) * 1216
                    # A ragged outline: the radius swings with the direction.
                    d = np.sqrt(du * du + dv * dv) / (patch[2] * (1 + 0.25 * np.sin(3 * np.arctan2(dv, du) + patch[2])))
                    mark = patch[3] * min(max((1.1 - d) / 0.25, 0.0), 1.0)
            for c in range(3):
                if kind == HAIR:
                    albedo = tint[c] * _bilinear(texture, u, v, 0)
                else:
                    albedo = _bilinear(texture, u, v, c) * tint[c]
                if kind == SKIN:
                    albedo = albedo * (1 - cover_scalp) + scalp[c] * cover_scalp
                    albedo = albedo * (1 - cover_beard) + scalp[c] * cover_beard
                    albedo *= 1 - spot * (0.7 + 0.08 * c)
                    albedo *= 1 - mark * (0.45 + 0.4 * (c > 0))
                received = (low[c] + (high[c] - low[c]) * (0.5 + 0.5 * ny)) * occlusion
                wrap = 0.25 if kind == SKIN else (0.35 if kind == HAIR else 0.2)
                if kind == SKIN:
                    wrap += 0.12 if c == 0 else (0.0 if c == 1 else -0.05)
                shadow = 1.0 if kind == HAIR else 0.35 + 0.65 * occlusion
                gloss = 0.0
                for n in range(3):
                    d = nx * directions[n, 0] + ny * directions[n, 1] + nz * directions[n, 2]
                    received += lights[n, c] * max((d + wrap) / (1 + wrap), 0.0) * shadow
                    hx, hy, hz = directions[n, 0] + vx, directions[n, 1] + vy, directions[n, 2] + vz
                    h = max((nx * hx + ny * hy + nz * hz) / np.sqrt(hx * hx + hy * hy + hz * hz + 1e-9), 0.0)
                    if kind == SKIN:
                        gloss += lights[n, c] * (0.05 * h**12 + 0.03 * h**40)
                    elif kind == EYE:
                        gloss += lights[n, c] * 0.9 * h**128
                    elif kind == HAIR:
                        gloss += lights[n, c] * 0.04 * h**14
                colour[y, x, c] = gamma[min(int(max(albedo * received + gloss, 0.0) * 1023), 1023)]


@nb.njit(fastmath=True, cache=True)
def blend(screen, triangles, uv, alpha, strength, near, colour, tint, hit, part):
    """Lay brow and lash cards over the picture where they are not hidden; display colours, no depth written.

    With ``part >= 0``, ``hit`` takes that number where the card covers most: brows are a region of their own.
    """
    size = near.shape[0]
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0 = screen[i, 0], screen[i, 1]
        x1, y1 = screen[j, 0], screen[j, 1]
        x2, y2 = screen[k, 0], screen[k, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0.0:
            continue
        inverse = 1.0 / area
        for y in range(max(int(np.floor(min(y0, y1, y2) + 0.5)), 0), min(int(np.ceil(max(y0, y1, y2) - 0.5)), size)):
            for x in range(max(int(np.floor(min(x0, x1, x2) + 0.5)), 0), min(int(np.ceil(max(x0, x1, x2) - 0.5)), size)):
                b1 = ((x + 0.5 - x0) * (y2 - y0) - (x2 - x0) * (y + 0.5 - y0)) * inverse
                b2 = ((x1 - x0) * (y + 0.5 - y0) - (x + 0.5 - x0) * (y1 - y0)) * inverse
                b0 = 1.0 - b1 - b2
                if b0 < 0.0 or b1 < 0.0 or b2 < 0.0:
                    continue
                inverse_z = b0 * screen[i, 2] + b1 * screen[j, 2] + b2 * screen[k, 2]
                if inverse_z * 1.0008 < near[y, x]:  # a small offset towards the camera
                    continue
                u = b0 * uv[i, 0] + b1 * uv[j, 0] + b2 * uv[k, 0]
                v = b0 * uv[i, 1] + b1 * uv[j, 1] + b2 * uv[k, 1]
                a = _nearest(alpha, u, v) * strength
                for c in range(3):
                    colour[y, x, c] += a * (tint[c] - colour[y, x, c])
                if part >= 0 and a > 0.4:
                    hit[y, x, 0] = part
